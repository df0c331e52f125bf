// A model's answer: Markdown as prose, code in frames of its own.
import { memo } from "react";
import { readBlocks } from "@/shared/format/markdown";
import { CodeBlock } from "./CodeBlock";
import classes from "./Markdown.module.css";

const Prose = memo(function Prose({ html }: { html: string }) {
  return <div className="rich-text" dangerouslySetInnerHTML={{ __html: html }} />;
});
const Code = memo(CodeBlock); // of a streamed text only the last block is painted again

export const Markdown = memo(function Markdown({ text }: { text: string }) {
  return (
    <div className={classes.answer}>
      {readBlocks(text).map((block, index) => (block.kind === "code" ? <Code key={index} code={block.text} language={block.language} /> : <Prose key={index} html={block.html} />))}
    </div>
  );
});
