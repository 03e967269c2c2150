"use strict";
// Unpacks figures and the explorer's data (explorer.py): base64 of zlib, of one text or of arrays end to end.
const Data = (() => {
  const kinds = { uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array };

  async function unpack(text) {
    const letters = atob(text), bytes = new Uint8Array(letters.length);
    for (let i = 0; i < letters.length; ++i) bytes[i] = letters.charCodeAt(i);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Response(stream).arrayBuffer();
  }

  async function texts(packed) {
    return JSON.parse(new TextDecoder().decode(await unpack(packed)));
  }

  async function arrays(explorer) {
    const bytes = await unpack(explorer.data), found = {};
    for (const [name, kind, offset, count] of explorer.arrays) found[name] = new kinds[kind](bytes, offset, count);
    return found;
  }

  // Bit `system` of a question's row, which has whole bytes.
  function bit(bits, systems, system, question) {
    return (bits[question * Math.ceil(systems / 8) + (system >> 3)] >> (system & 7)) & 1;
  }

  return { texts, arrays, bit };
})();
