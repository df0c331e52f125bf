// The look: calm slate surfaces, one violet accent, dense controls; contrast checked for WCAG AA in both schemes.
import { Badge, Button, Card, createTheme, type MantineColorsTuple, Modal, NumberInput, Paper, Select, TextInput, Tooltip } from "@mantine/core";

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
    Button: Button.extend({ defaultProps: { size: "sm" } }),
    Badge: Badge.extend({ defaultProps: { variant: "light", radius: "sm" }, styles: { label: { textTransform: "none", fontWeight: 600 } } }),
    Card: Card.extend({ defaultProps: { withBorder: true, radius: "lg", padding: "md" } }),
    Paper: Paper.extend({ defaultProps: { radius: "lg" } }),
    Tooltip: Tooltip.extend({ defaultProps: { withArrow: true, openDelay: 250, events: { hover: true, focus: true, touch: false } } }),
    Modal: Modal.extend({ defaultProps: { centered: true, overlayProps: { backgroundOpacity: 0.4, blur: 2 } } }),
    TextInput: TextInput.extend({ defaultProps: { size: "sm" } }),
    NumberInput: NumberInput.extend({ defaultProps: { size: "sm" } }),
    Select: Select.extend({ defaultProps: { size: "sm", comboboxProps: { shadow: "md" } } }),
  },
});
