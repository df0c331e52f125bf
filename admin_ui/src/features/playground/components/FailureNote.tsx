// Why an answer did not come, and what mends that.
import { Alert, Anchor, Text } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { useIsAdmin } from "@/shared/api/self";
import { type Failure, type Remedy, remedyOf } from "../api/failure";

interface Place {
  to: string;
  label: string;
}
/** Where the remedy is to be found; other remedies are in the sentence alone. */
function placeOf(remedy: Remedy, isAdmin: boolean): Place | null {
  if (remedy === "balance") return { to: "/console/topup", label: "playground.place.wallet" };
  if (remedy === "signIn") return { to: "/login", label: "playground.place.login" };
  if (!isAdmin) return null;
  if (remedy === "channel" || remedy === "operator") return { to: "/console/channels", label: "playground.place.channels" };
  if (remedy === "price") return { to: "/console/settings", label: "playground.place.settings" };
  return null;
}

export function FailureNote({ failure, requestId }: { failure: Failure; requestId: string }) {
  const { t } = useTranslation();
  const isAdmin = useIsAdmin();
  const remedy = remedyOf(failure);
  const place = placeOf(remedy, isAdmin);
  return (
    <Alert color="red" role="alert" p="xs" mt={6} icon={<IconAlertTriangle size={18} />} title={t(`playground.mend.${remedy}`)}>
      {remedy !== "network" && failure.message && <Text size="xs" style={{ overflowWrap: "anywhere" }}>{failure.message}</Text>}
      <Text size="xs" c="dimmed">
        {[failure.code, failure.status >= 400 && `HTTP ${failure.status}`, requestId].filter(Boolean).join(" · ")}
      </Text>
      {place && <Anchor component={Link} to={place.to} size="sm" underline="always">{t(place.label)}</Anchor>}
    </Alert>
  );
}
