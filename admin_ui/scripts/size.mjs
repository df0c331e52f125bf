// Checks what a first visit costs on the wire (gzip): the login page and the first console screen. Run after `npm run build`.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const dist = new URL("../dist/", import.meta.url);
const manifest = JSON.parse(readFileSync(new URL(".vite/manifest.json", dist), "utf8"));
const LOCALES = ["src/shared/locales/en.json", "src/app/locales/en.json"]; // loaded at start by an English visitor
const PAGES = [
  { name: "login", limitKb: 250, entries: ["src/features/auth/pages/LoginPage.tsx", "src/features/auth/locales/en.json"] },
  { name: "console (dashboard)", limitKb: 450, entries: ["src/app/shell/ConsoleShell.tsx", "src/features/dashboard/pages/DashboardPage.tsx", "src/features/dashboard/locales/en.json"] },
  { name: "console (channel health)", limitKb: 450, entries: ["src/app/shell/ConsoleShell.tsx", "src/features/health/pages/HealthPage.tsx", "src/features/health/locales/en.json"] },
];

function collect(key, files, seen) {
  const chunk = manifest[key];
  if (!chunk || seen.has(key)) return;
  seen.add(key);
  files.add(chunk.file);
  for (const css of chunk.css ?? []) files.add(css);
  for (const asset of chunk.assets ?? []) if (/inter-latin/.test(asset)) files.add(asset);
  for (const imported of chunk.imports ?? []) collect(imported, files, seen);
}

const wireBytes = (file) => {
  const bytes = readFileSync(new URL(file, dist));
  return file.endsWith(".woff2") ? bytes.length : gzipSync(bytes, { level: 6 }).length;
};

let failed = false;
for (const page of PAGES) {
  const files = new Set(["index.html", "color-scheme.js", "logo.svg"]);
  const seen = new Set();
  for (const entry of ["index.html", ...LOCALES, ...page.entries]) {
    if (!manifest[entry]) throw new Error(`the build has no ${entry}: it was renamed, and its bytes are not counted`);
    collect(entry, files, seen);
  }
  const sizes = [...files].map((file) => [file, wireBytes(file)]).sort((a, b) => b[1] - a[1]);
  const totalKb = sizes.reduce((sum, [, bytes]) => sum + bytes, 0) / 1024;
  const ok = totalKb <= page.limitKb;
  failed ||= !ok;
  console.log(`${ok ? "ok  " : "FAIL"} ${page.name}: ${totalKb.toFixed(1)} KB of ${page.limitKb} KB in ${sizes.length} files`);
  if (!ok || process.argv.includes("-v")) for (const [file, bytes] of sizes) console.log(`       ${(bytes / 1024).toFixed(1).padStart(7)}  ${file}`);
}
process.exit(failed ? 1 : 0);
