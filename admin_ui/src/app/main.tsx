// Start: texts first, then the page.
import "./styles/fonts.css";
import "./styles/base.css";
import "./styles/app.css";
import { createRoot } from "react-dom/client";
import { startI18n } from "@/locales";
import { App } from "./App";

await startI18n();
createRoot(document.getElementById("root")!).render(<App />);
