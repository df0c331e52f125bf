// The operator's own page: Markdown or HTML, or a site of theirs in a frame when the text is an address.
import { Container, Skeleton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useRef } from "react";
import { api } from "@/shared/api/client";
import { ErrorState } from "@/shared/components/ErrorState";
import { SafeHtml } from "@/shared/components/SafeHtml";
import { useTellFrame } from "@/shared/hooks/useTellFrame";

interface OperatorPageProps {
  path: "/api/about" | "/api/home_page_content";
  title: string;
  fallback: ReactNode;
}
export function OperatorPage({ path, title, fallback }: OperatorPageProps) {
  const content = useQuery({ queryKey: ["content", path], queryFn: ({ signal }) => api.get<string>(path, { signal }).then((text) => text ?? "") });
  if (content.isPending) return <Container py="xl"><Skeleton h={320} /></Container>;
  if (content.isError) return <ErrorState error={content.error} onRetry={() => void content.refetch()} />;
  const text = content.data.trim();
  if (!text) return fallback;
  if (/^https:\/\/\S+$/.test(text)) {
    return <OperatorSite url={text} title={title} />;
  }
  return (
    <Container py="xl" size="md">
      <SafeHtml html={text} markdown />
    </Container>
  );
}

function OperatorSite({ url, title }: { url: string; title: string }) {
  const frame = useRef<HTMLIFrameElement>(null);
  const tell = useTellFrame(frame, url);
  return <iframe ref={frame} onLoad={tell} src={url} title={title} referrerPolicy="no-referrer" sandbox="allow-scripts allow-forms allow-same-origin allow-popups allow-downloads" style={{ border: 0, width: "100%", height: "calc(100dvh - 60px)" }} />;
}
