// The look: calm slate surfaces, one violet accent, dense controls; contrast checked for WCAG AA in both schemes.
import { createTheme, type CSSVariablesResolver, type MantineColorsTuple } from "@mantine/core";

const medusa: MantineColorsTuple = ["#f1eeff", "#e0daff", "#c0b4ff", "#9f8bff", "#8369fb", "#7152f4", "#6443e2", "#5636c7", "#4a2eac", "#3c258c"];
const slate: MantineColorsTuple = ["#d3d8e2", "#b6bdcc", "#98a1b4", "#6c7689", "#3f485a", "#2c3444", "#1d2431", "#151b26", "#10151e", "#0b0f16"];

export const theme = createTheme({
  primaryColor: "medusa",
  primaryShade: { light: 6, dark: 5 },
  colors: { medusa, dark: slate },
  fontFamily: "'Inter Variable', Inter, system-ui, -apple-system, 'Segoe UI', 'PingFang SC', 'Microsoft YaHei', 'Noto Sans SC', 'Noto Sans CJK SC', sans-serif",
  fontFamilyMonospace: "ui-monospace, 'SF Mono', 'JetBrains Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace",
  headings: { fontWeight: "650" },
  defaultRadius: "md",
  cursorType: "pointer",
  respectReducedMotion: true,
  autoContrast: true,
  luminanceThreshold: 0.35,
  components: {
    // plain objects, so that the theme does not pull every component into the first load
    Button: { defaultProps: { size: "sm" } },
    Badge: { defaultProps: { variant: "light", radius: "sm" }, styles: { label: { textTransform: "none", fontWeight: 600 } } },
    Card: { defaultProps: { withBorder: true, radius: "lg", padding: "md" } },
    Paper: { defaultProps: { radius: "lg" } },
    Tooltip: { defaultProps: { withArrow: true, openDelay: 250, events: { hover: true, focus: true, touch: false } } },
    Modal: { defaultProps: { centered: true, overlayProps: { backgroundOpacity: 0.4, blur: 2 } } },
    TextInput: { defaultProps: { size: "sm" } },
    NumberInput: { defaultProps: { size: "sm" } },
    Select: { defaultProps: { size: "sm", comboboxProps: { shadow: "md" } } },
  },
});

const HUES = ["red", "pink", "grape", "violet", "indigo", "blue", "cyan", "teal", "green", "lime", "yellow", "orange", "medusa"];
/** Text of light badges and buttons: dark enough on their tint for WCAG AA. */
const tinted = (mix: (hue: string) => string) => Object.fromEntries(HUES.map((hue) => [`--mantine-color-${hue}-light-color`, mix(hue)]));

/** Coloured text on the page itself. */
const written = (mix: (hue: string) => string) => Object.fromEntries(HUES.filter((hue) => hue !== "medusa").map((hue) => [`--mantine-color-${hue}-text`, mix(hue)]));

/** Surfaces and lines of ours in place of Mantine's greys; the names --surface, --line … are set in styles/app.css. */
export const cssVariables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    ...tinted((hue) => `color-mix(in srgb, var(--mantine-color-${hue}-9) 66%, black)`),
    ...written((hue) => `color-mix(in srgb, var(--mantine-color-${hue}-9) 80%, black)`),
    "--mantine-color-gray-light-color": "#3c4657",
    "--mantine-color-body": "#ffffff",
    "--mantine-color-dimmed": "#5b6475",
    "--mantine-color-default-border": "#dfe3ea",
    "--mantine-color-text": "#1b2230",
  },
  dark: {
    ...tinted((hue) => `var(--mantine-color-${hue}-2)`),
    ...written((hue) => `var(--mantine-color-${hue}-4)`),
    "--mantine-color-anchor": "var(--mantine-color-medusa-3)",
    "--mantine-color-gray-light-color": "#c3cbda",
    "--mantine-color-body": "#121823",
    "--mantine-color-dimmed": "#9aa4b8",
    "--mantine-color-default-border": "#2a3343",
    "--mantine-color-default": "#19202c",
    "--mantine-color-default-hover": "#202938",
    "--mantine-color-text": "#dfe4ee",
  },
});
