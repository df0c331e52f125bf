// Personal settings.
import { Grid, Skeleton, Stack } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { useSelf } from "@/shared/api/self";
import { Role } from "@/shared/api/types";
import { PageHeader } from "@/shared/components/PageHeader";
import { BindingsCard } from "../components/BindingsCard";
import { DeleteAccountCard } from "../components/DeleteAccountCard";
import { NoticeCard } from "../components/NoticeCard";
import { PasskeysCard } from "../components/PasskeysCard";
import { ProfileCard } from "../components/ProfileCard";
import { AccessTokenCard, PasswordCard, SessionsCard } from "../components/SecurityCard";
import { TwoFactorCard } from "../components/TwoFactorCard";

export default function PersonalPage() {
  const { t } = useTranslation();
  const self = useSelf();
  return (
    <>
      <PageHeader title={t("personal.title")} hint={t("personal.hint")} />
      {self ? (
        <Grid>
          <Grid.Col span={{ base: 12, lg: 6 }}>
            <Stack>
              <ProfileCard self={self} />
              <BindingsCard self={self} />
              <NoticeCard self={self} />
              {self.role < Role.root && <DeleteAccountCard self={self} />}
            </Stack>
          </Grid.Col>
          <Grid.Col span={{ base: 12, lg: 6 }}>
            <Stack>
              <SessionsCard />
              <TwoFactorCard />
              <PasskeysCard />
              <PasswordCard />
              <AccessTokenCard />
            </Stack>
          </Grid.Col>
        </Grid>
      ) : (
        <Skeleton h={400} />
      )}
    </>
  );
}
