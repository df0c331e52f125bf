// What the sidebar and the command palette offer, by role and by what the installation has switched on.
import {
  IconActivityHeartbeat, IconChartAreaLine, IconBrush, IconChecklist, IconGift, IconKey, IconListDetails, IconMessages, IconPlayerPlay,
  IconRouteAltLeft, IconServerCog, IconSettings, IconUserCircle, IconUsers, IconWallet, type Icon,
} from "@tabler/icons-react";
import { Role, type Status } from "@/shared/api/types";

export interface NavItem {
  id: string; // text: app.nav.<id>
  to: string;
  icon: Icon;
  key: string; // "g" then this letter
  role?: number;
  shown?: (status: Status | undefined) => boolean;
}
export interface NavGroup {
  id: string; // text: app.navGroup.<id>
  items: NavItem[];
}

export const NAVIGATION: NavGroup[] = [
  {
    id: "overview",
    items: [
      { id: "health", to: "/console/health", icon: IconActivityHeartbeat, key: "h", role: Role.admin },
      { id: "dashboard", to: "/console", icon: IconChartAreaLine, key: "d" },
      { id: "logs", to: "/console/logs", icon: IconListDetails, key: "l" },
      { id: "midjourney", to: "/console/midjourney", icon: IconBrush, key: "m", shown: (s) => s?.enable_drawing ?? true },
      { id: "tasks", to: "/console/tasks", icon: IconChecklist, key: "k", shown: (s) => s?.enable_task ?? true },
    ],
  },
  {
    id: "use",
    items: [
      { id: "tokens", to: "/console/tokens", icon: IconKey, key: "t" },
      { id: "playground", to: "/console/playground", icon: IconPlayerPlay, key: "p" },
      { id: "chat", to: "/chat", icon: IconMessages, key: "c", shown: (s) => (s?.chats?.length ?? 0) > 0 },
    ],
  },
  {
    id: "administration",
    items: [
      { id: "channels", to: "/console/channels", icon: IconRouteAltLeft, key: "n", role: Role.admin },
      { id: "users", to: "/console/users", icon: IconUsers, key: "u", role: Role.admin },
      { id: "redemptions", to: "/console/redemptions", icon: IconGift, key: "r", role: Role.admin },
      { id: "operations", to: "/console/operations", icon: IconServerCog, key: "o", role: Role.root },
      { id: "settings", to: "/console/settings", icon: IconSettings, key: "s", role: Role.root },
    ],
  },
  {
    id: "account",
    items: [
      { id: "topup", to: "/console/topup", icon: IconWallet, key: "w" },
      { id: "personal", to: "/console/personal", icon: IconUserCircle, key: "a" },
    ],
  },
];

export function visibleNavigation(role: number, status: Status | undefined): NavGroup[] {
  return NAVIGATION.map((group) => ({
    ...group,
    items: group.items.filter((item) => role >= (item.role ?? Role.user) && (item.shown?.(status) ?? true)),
  })).filter((group) => group.items.length > 0);
}
