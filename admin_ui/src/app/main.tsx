// Start: texts first, then the page.
import "@fontsource-variable/inter/wght.css";
import "@mantine/core/styles.css";
import "@mantine/notifications/styles.css";
import "./app.css";
import { createRoot } from "react-dom/client";
import { startI18n } from "@/locales";
import { App } from "./App";

await startI18n();
createRoot(document.getElementById("root")!).render(<App />);
