/// <reference types="vitest/config" />
// Build of the admin UI: static files with hashed names; in development /api and the relay go to MEDUSA_URL.
import react from "@vitejs/plugin-react";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const server = process.env["MEDUSA_URL"] ?? "http://127.0.0.1:3000";

export default defineConfig({
  plugins: [react()],
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  server: { proxy: Object.fromEntries(["/api", "/pg", "/v1", "/mj", "/suno"].map((path) => [path, server])) },
  build: {
    target: "es2022",
    cssTarget: ["chrome123", "firefox120", "safari17.5"], // keeps light-dark() as written
    assetsInlineLimit: 0, // nothing as data: URL, so the Content-Security-Policy stays narrow
    reportCompressedSize: false,
    manifest: true, // read by scripts/size.mjs
  },
  test: { environment: "jsdom", include: ["src/**/*.test.{ts,tsx}"] },
});
