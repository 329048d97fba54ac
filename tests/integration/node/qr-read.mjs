// Reads a QR code that came as rows of light (1) and dark (0) modules on stdin; prints what it says.
import fs from 'node:fs';
import { createRequire } from 'node:module';

const jsQR = createRequire(import.meta.url)('jsqr');
const rows = fs.readFileSync(0, 'utf8').trim().split('\n'), scale = 4, side = rows[0].length * scale;
const pixels = new Uint8ClampedArray(side * rows.length * scale * 4).fill(255);
rows.forEach((row, y) => [...row].forEach((m, x) => {
  for (let dy = 0; dy < scale; dy++) for (let dx = 0; dx < scale; dx++) {
    const at = ((y * scale + dy) * side + x * scale + dx) * 4;
    for (let i = 0; i < 3; i++) pixels[at + i] = m === '1' ? 255 : 0;
  }
}));
console.log(jsQR(pixels, side, rows.length * scale)?.data ?? 'nothing');
