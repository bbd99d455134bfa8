// Writes .br and .gz beside every built file worth it, so that the server never compresses.
import { readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const DIST = fileURLToPath(new URL("../../src/almoner/web/dist", import.meta.url));
const TEXT = /\.(js|css|html|svg|json|txt|webmanifest)$/;
const WORTH_IT_BYTES = 1024;

const files = readdirSync(DIST, { recursive: true, encoding: "utf8" })
  .map((name) => join(DIST, name))
  .filter((path) => TEXT.test(path) && statSync(path).size > WORTH_IT_BYTES);

let plain = 0;
let gzip = 0;
let brotli = 0;
for (const path of files) {
  const bytes = readFileSync(path);
  const gz = gzipSync(bytes, { level: 9 });
  const br = brotliCompressSync(bytes, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
      [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
    },
  });
  writeFileSync(`${path}.gz`, gz);
  writeFileSync(`${path}.br`, br);
  plain += bytes.length;
  gzip += gz.length;
  brotli += br.length;
}
const kb = (bytes) => `${(bytes / 1000).toFixed(1)} kB`;
process.stdout.write(
  `compressed ${files.length} files: ${kb(plain)}, gzip ${kb(gzip)}, brotli ${kb(brotli)}\n`,
);
