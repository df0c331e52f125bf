// What a model thought before it spoke: open while it thinks, folded once it speaks, unless the reader says otherwise.
import { Collapse, Text, UnstyledButton } from "@mantine/core";
import { IconBulb, IconChevronRight } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import classes from "./Playground.module.css";

export function Thoughts({ text, running }: { text: string; running: boolean }) {
  const { t } = useTranslation();
  const [wanted, setWanted] = useState<boolean | null>(null); // null = as the model goes
  const open = wanted ?? running;
  return (
    <div className={classes.thoughts}>
      <UnstyledButton className={classes.thoughtsHead} aria-expanded={open} onClick={() => setWanted(!open)}>
        <IconChevronRight size={14} className={classes.chevron} data-open={open} aria-hidden />
        <IconBulb size={14} aria-hidden />
        <Text size="xs">{t(running ? "playground.thinking" : "playground.thoughts")}</Text>
      </UnstyledButton>
      <Collapse expanded={open}>
        <Text size="xs" c="dimmed" className={classes.thoughtsText}>{text}</Text>
      </Collapse>
    </div>
  );
}
