// DEFLATE (RFC 1951). A page without network has no library to ask, and the browser's own stream
// answers later, when the map should already be drawn. `size`: bytes that come out.
const inflate = (from, size) => {
  "use strict";
  const out = new Uint8Array(size);
  let at = 0, to = 0, hold = 0, held = 0;
  const fill = (n) => { while (held < n) { hold |= from[at] << held; at += 1; held += 8; } };
  const bits = (n) => { fill(n); const v = hold & ((1 << n) - 1); hold >>>= n; held -= n; return v; };
  // every code padded to the longest: one look gives symbol and length
  const tree = (lengths) => {
    const most = Math.max(...lengths), table = new Uint16Array(1 << most), next = new Array(17).fill(0), count = new Array(17).fill(0);
    for (const l of lengths) if (l) count[l] += 1;
    for (let l = 1; l < 16; l += 1) next[l + 1] = (next[l] + count[l]) << 1;
    lengths.forEach((l, symbol) => {
      if (!l) return;
      let code = next[l], turned = 0; next[l] += 1;
      for (let k = 0; k < l; k += 1) { turned = (turned << 1) | (code & 1); code >>= 1; }
      for (let k = turned; k < table.length; k += 1 << l) table[k] = (symbol << 4) | l;
    });
    return { table, most };
  };
  const read = ({ table, most }) => { fill(most); const e = table[hold & ((1 << most) - 1)]; hold >>>= e & 15; held -= e & 15; return e >> 4; };
  // length codes 257..285 and distance codes 0..29: base and extra bits
  const lengthBase = [], lengthBits = [], farBase = [], farBits = [];
  for (let k = 0, base = 3; k < 28; k += 1) { lengthBits[k] = k < 8 ? 0 : (k >> 2) - 1; lengthBase[k] = base; base += 1 << lengthBits[k]; }
  lengthBase[28] = 258; lengthBits[28] = 0;
  for (let k = 0, base = 1; k < 30; k += 1) { farBits[k] = k < 4 ? 0 : (k >> 1) - 1; farBase[k] = base; base += 1 << farBits[k]; }
  const order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
  const dynamic = () => {
    const n = bits(5) + 257, m = bits(5) + 1, k = bits(4) + 4, short = new Array(19).fill(0), lengths = [];
    for (let i = 0; i < k; i += 1) short[order[i]] = bits(3);
    const first = tree(short);
    while (lengths.length < n + m) {
      const s = read(first);
      if (s < 16) lengths.push(s);
      else {
        const value = s === 16 ? lengths[lengths.length - 1] : 0;
        for (let r = s === 16 ? 3 + bits(2) : s === 17 ? 3 + bits(3) : 11 + bits(7); r > 0; r -= 1) lengths.push(value);
      }
    }
    return [tree(lengths.slice(0, n)), tree(lengths.slice(n))];
  };
  const fixed = () => [tree(Array.from({ length: 288 }, (_, i) => i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8)), tree(new Array(30).fill(5))];
  for (let last = 0; !last;) {
    last = bits(1);
    const kind = bits(2);
    if (kind === 0) {
      bits(held & 7);
      let n = bits(16); bits(16);
      for (; n > 0; n -= 1) { out[to] = bits(8); to += 1; }
      continue;
    }
    const [symbols, distances] = kind === 1 ? fixed() : dynamic();
    for (;;) {
      const s = read(symbols);
      if (s === 256) break;
      if (s < 256) { out[to] = s; to += 1; continue; }
      const n = lengthBase[s - 257] + bits(lengthBits[s - 257]), d = read(distances), far = farBase[d] + bits(farBits[d]);
      for (let k = 0; k < n; k += 1, to += 1) out[to] = out[to - far];
    }
  }
  return out;
};
