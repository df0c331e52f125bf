// Personal settings.
import { Grid, Skeleton, Stack } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { useSelf } from "@/shared/api/self";
import { PageHeader } from "@/shared/components/PageHeader";
import { NoticeCard } from "../components/NoticeCard";
import { ProfileCard } from "../components/ProfileCard";
import { AccessTokenCard, PasswordCard, SessionsCard } from "../components/SecurityCard";

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
              <NoticeCard self={self} />
            </Stack>
          </Grid.Col>
          <Grid.Col span={{ base: 12, lg: 6 }}>
            <Stack>
              <SessionsCard />
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
