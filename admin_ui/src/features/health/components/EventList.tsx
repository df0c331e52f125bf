// What happened to channels, newest first: the change, its evidence, who or what made it, and how long a channel stayed off.
import { Anchor, Text, Timeline } from "@mantine/core";
import { IconBan, IconDropletDown, IconKeyOff, IconPlayerPlay, IconPoint } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { useFormat } from "@/shared/format/useFormat";
import { changeOf, type EventRow } from "../api/health";

const LOOKS = {
  auto_disable: { icon: IconBan, color: "red" },
  disable: { icon: IconBan, color: "gray" },
  auto_enable: { icon: IconPlayerPlay, color: "teal" },
  enable: { icon: IconPlayerPlay, color: "teal" },
  drain: { icon: IconDropletDown, color: "blue" },
  undrain: { icon: IconPlayerPlay, color: "blue" },
  key: { icon: IconKeyOff, color: "orange" },
  other: { icon: IconPoint, color: "gray" },
};

export function EventList({ events }: { events: EventRow[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const actor = (name: string) => {
    const [kind = "", id = ""] = name.split(":");
    return t(`health.actor.${kind === "user" || kind === "rule" || kind === "probe" || kind === "test" || kind === "balance" ? kind : "other"}`, { id, name });
  };
  return (
    <Timeline bulletSize={24} lineWidth={2} active={events.length}>
      {events.map((event, index) => {
        const change = changeOf(event);
        const look = LOOKS[change];
        const facts = [
          format.time(event.at), actor(event.actor), event.status_code ? `HTTP ${event.status_code}` : "", event.model ?? "",
          event.off_s ? t("health.offFor", { time: format.ms(event.off_s * 1000) }) : "",
        ];
        return (
          <Timeline.Item key={index} bullet={<look.icon size={13} aria-hidden />} color={look.color} title={<Text size="sm" fw={600} component="span">{t(`health.event.${change}`)}{event.channel_id ? <> · <Anchor component={Link} to={`/console/health/${event.channel_id}?tab=history`} inherit>{event.name || t("health.channelNumber", { id: event.channel_id })}</Anchor></> : null}</Text>}>
            {event.reason && change !== "drain" && change !== "undrain" && <Text size="sm" style={{ overflowWrap: "anywhere" }}>{event.reason}</Text>}
            <Text size="xs" c="dimmed">{facts.filter(Boolean).join(" · ")}</Text>
          </Timeline.Item>
        );
      })}
    </Timeline>
  );
}
