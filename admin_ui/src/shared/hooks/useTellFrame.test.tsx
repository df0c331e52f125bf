import { MantineProvider, useMantineColorScheme } from "@mantine/core";
import { act, cleanup, renderHook } from "@testing-library/react";
import i18next from "i18next";
import type { ReactNode } from "react";
import { I18nextProvider } from "react-i18next";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { useTellFrame } from "./useTellFrame";

const i18n = i18next.createInstance({ lng: "zh-CN", resources: {}, showSupportNotice: false });
const postMessage = vi.fn<(message: object, origin: string) => void>();
const frame = { current: { contentWindow: { postMessage } } as unknown as HTMLIFrameElement };
const URL_WITH_KEY = "https://chat.example.com/#/?key=sk-1";
const ORIGIN = "https://chat.example.com";

function setUp(url = URL_WITH_KEY) {
  const Providers = ({ children }: { children: ReactNode }) => (
    <I18nextProvider i18n={i18n}>
      <MantineProvider defaultColorScheme="light">{children}</MantineProvider>
    </I18nextProvider>
  );
  return renderHook(() => ({ tell: useTellFrame(frame, url), theme: useMantineColorScheme() }), { wrapper: Providers });
}

beforeEach(async () => {
  vi.stubGlobal("matchMedia", () => ({ matches: false, addEventListener: () => undefined, removeEventListener: () => undefined }));
  postMessage.mockClear();
  await i18n.init();
  await i18n.changeLanguage("zh-CN");
});
afterEach(() => {
  cleanup();
  localStorage.clear(); // where Mantine keeps the theme
  vi.unstubAllGlobals();
});

it("says nothing before the page is there", async () => {
  setUp();
  await act(() => i18n.changeLanguage("en"));
  expect(postMessage).not.toHaveBeenCalled();
});

it("tells theme and language at the load, to the origin of the page alone", () => {
  const { result } = setUp();
  act(() => result.current.tell());
  expect(postMessage.mock.calls).toEqual([[{ themeMode: "light" }, ORIGIN], [{ lang: "zh" }, ORIGIN]]);
});

it("tells them again when the reader changes one", async () => {
  const { result } = setUp();
  act(() => result.current.tell());
  postMessage.mockClear();
  await act(() => i18n.changeLanguage("en"));
  expect(postMessage.mock.calls).toContainEqual([{ lang: "en" }, ORIGIN]);
  act(() => result.current.theme.setColorScheme("dark"));
  expect(postMessage.mock.calls).toContainEqual([{ themeMode: "dark" }, ORIGIN]);
});

it("reads a path as one of this server", () => {
  const { result } = setUp("/chat.html");
  act(() => result.current.tell());
  expect(postMessage).toHaveBeenCalledWith({ themeMode: "light" }, window.location.origin);
});
