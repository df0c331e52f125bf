// A piece of code with its language and a way to copy it.
import { ScrollArea, Text } from "@mantine/core";
import { CopyButton } from "./CopyButton";
import classes from "./CodeBlock.module.css";

interface CodeBlockProps {
  code: string;
  language?: string;
  copied?: string; // what is copied, where it is not what is shown
  maxHeight?: number; // px
}
export function CodeBlock({ code, language = "", copied, maxHeight }: CodeBlockProps) {
  return (
    <div className={classes.frame}>
      <div className={classes.head}>
        <Text size="xs" c="dimmed">{language}</Text>
        <CopyButton value={copied ?? code} size="sm" />
      </div>
      <ScrollArea.Autosize mah={maxHeight} type="auto" viewportProps={{ tabIndex: 0 }}>
        <pre className={classes.code}><code>{code}</code></pre>
      </ScrollArea.Autosize>
    </div>
  );
}
