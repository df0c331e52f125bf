// Types of the server's replies from its own OpenAPI document: `npm run types` writes src/shared/api/schema.d.ts.
// Only the shapes that shared/api/types.ts names, and what these name: the rest changes without the UI.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const run = (command, args) => execFileSync(command, args, { cwd: root, maxBuffer: 64 * 1024 * 1024 }).toString();
const folder = mkdtempSync(join(tmpdir(), "medusa-types-"));
try {
  const [from, to] = [join(folder, "openapi.json"), join(folder, "schema.d.ts")];
  const { digest, document } = JSON.parse(run(join(root, ".venv/bin/python"), ["-m", "tests.docs.ui_shapes"]));
  writeFileSync(from, JSON.stringify(document));
  run(join(root, "admin_ui/node_modules/.bin/openapi-typescript"), [from, "-o", to]);
  writeFileSync(join(root, "admin_ui/src/shared/api/schema.d.ts"), `// Made by \`npm run types\`; digest of the shapes: ${digest}\n${readFileSync(to, "utf8")}`);
} finally {
  rmSync(folder, { recursive: true });
}
