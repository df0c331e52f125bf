// The state of a channel as icon and word.
import { IconActivity, IconAlertTriangle, IconCircleCheck, IconCircleX, IconMoonStars, IconPlugConnectedX } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { StatusBadge } from "@/shared/components/StatusBadge";
import type { HealthState } from "../api/health";

const LOOKS = {
  good: { color: "teal", icon: IconCircleCheck },
  degraded: { color: "yellow", icon: IconAlertTriangle },
  bad: { color: "red", icon: IconCircleX },
  idle: { color: "gray", icon: IconMoonStars },
  off: { color: "gray", icon: IconPlugConnectedX },
};

export function HealthBadge({ state, hint }: { state: HealthState; hint?: string }) {
  const { t } = useTranslation();
  const look = LOOKS[state] ?? { color: "gray", icon: IconActivity };
  return <StatusBadge label={t(`health.state.${state}`)} color={look.color} icon={look.icon} {...(hint ? { hint } : {})} />;
}
