// An address that leads nowhere.
import { Button } from "@mantine/core";
import { IconMapOff } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { EmptyState } from "./EmptyState";

export function NotFound() {
  const { t } = useTranslation();
  return (
    <EmptyState
      heading
      icon={IconMapOff}
      message={t("shared.notFound.title")}
      hint={t("shared.notFound.hint")}
      action={
        <Button component={Link} to="/" variant="default">
          {t("shared.notFound.home")}
        </Button>
      }
    />
  );
}
