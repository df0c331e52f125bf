// Give or take quota: an entry in the ledger with a reason, never an overwritten number.
import { Alert, Button, Group, Modal, SegmentedControl, Stack, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useSelf } from "@/shared/api/self";
import { Role, type User } from "@/shared/api/types";
import { QuotaInput } from "@/shared/components/QuotaInput";
import { useFormat } from "@/shared/format/useFormat";
import { useAction } from "@/shared/hooks/useAction";
import { useErrorText } from "@/shared/hooks/useErrorText";
import { grantQuota, USERS } from "../api/users";

export function QuotaDialog({ user, onClose }: { user: User; onClose: () => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  const errorText = useErrorText();
  const self = useSelf();
  const [units, setUnits] = useState(0);
  const [sign, setSign] = useState("give");
  const [remark, setRemark] = useState("");
  const moved = sign === "give" ? units : -units;
  const grant = useAction({ run: () => grantQuota(user.id, moved, remark), done: t("users.granted"), refresh: [USERS], onDone: onClose });
  return (
    <Modal opened onClose={onClose} title={t("users.grant", { name: user.username })} closeButtonProps={{ "aria-label": t("shared.action.close") }}>
      <Stack>
        {grant.error && <Alert color="red" role="alert">{errorText(grant.error)}</Alert>}
        {(self?.role ?? 0) >= Role.root && <SegmentedControl aria-label={t("users.direction")} value={sign} onChange={setSign} data={[{ value: "give", label: t("users.give") }, { value: "take", label: t("users.take") }]} />}
        <QuotaInput label={t("users.amount")} value={units} onChange={setUnits} presets={[1, 10, 50, 100, 500]} />
        <TextInput label={t("users.remark")} maxLength={200} value={remark} onChange={(event) => setRemark(event.currentTarget.value)} />
        <Text size="sm">{t("users.balanceAfter", { before: format.quota(user.quota), after: format.quota(user.quota + moved) })}</Text>
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={onClose}>{t("shared.action.cancel")}</Button>
          <Button disabled={units <= 0} loading={grant.isPending} color={sign === "take" ? "red" : "medusa"} onClick={() => grant.mutate()}>{t("shared.action.confirm")}</Button>
        </Group>
      </Stack>
    </Modal>
  );
}
