/**
 * `snip-panics.mjs IN.wasm OUT.wasm`: the functions that begin a panic trap at once, `Debug` writes nothing, and the
 * places in the sources that panics would name are zeros.
 *
 * A panic of this module ends in a trap either way (panic = abort, no hook), and its message is shown to nobody; no
 * report uses `Debug`. Without these, wasm-opt drops what prepares the messages
 * (docs/performance.md says what that is worth).
 */

import { readFileSync, writeFileSync } from "node:fs";
import binaryen from "binaryen";

/** Functions of Rust's libraries of type `-> !`, by their demangled names. */
const DIVERGING = [
  /^core::panicking::(panic|assert)[a-z_]*$/,
  /^core::panicking::panic_const::panic_const_[a-z_]+$/,
  /^core::(option|result)::(unwrap|expect)_failed$/,
  /^core::cell::panic_already_(mutably_)?borrowed$/,
  /^core::(slice::index::slice_index_fail|slice::copy_from_slice_impl::len_mismatch_fail|str::slice_error_fail(_rt)?)$/,
  /^core::slice::sort::shared::smallsort::panic_on_ord_violation$/,
  /^<alloc::vec::Vec<_, _>>::(insert_mut|remove)::assert_failed$/,
  /^alloc::raw_vec::(handle_error|capacity_overflow)$/,
  /^alloc::alloc::handle_alloc_error$/,
  /^std::thread::local::panic_access_error$/,
  /^generic_array::from_iter_length_fail$/,
];

/** Functions of type `-> fmt::Result`, whose `Ok` is 0, that write for `Debug` alone. */
const SILENT = [/ as core::fmt::Debug>::fmt(\[\d+\])?$/, /^<core::fmt::builders::.* as core::fmt::Write>::write_(str|char|fmt)$/];

const [from, to] = process.argv.slice(2);
if (from === undefined || to === undefined) {
  throw new Error("usage: snip-panics.mjs IN.wasm OUT.wasm");
}
const module = binaryen.readBinary(new Uint8Array(readFileSync(from)));
// Those of Rust's target; more would let types in that browsers do not know.
const { BulkMemory, BulkMemoryOpt, ExtendedConst, Multivalue, MutableGlobals, NontrappingFPToInt, ReferenceTypes, SignExt } =
  binaryen.Features;
module.setFeatures(
  BulkMemory | BulkMemoryOpt | ExtendedConst | Multivalue | MutableGlobals | NontrappingFPToInt | ReferenceTypes | SignExt,
);
let trapping = 0;
let silent = 0;
for (const reference of Array.from({ length: module.getNumFunctions() }, (_, index) => module.getFunctionByIndex(index))) {
  const { name, module: importedFrom, params, results } = binaryen.getFunctionInfo(reference);
  // Without the hashes that tell crates and instances apart.
  const plain = name.replace(/\[[0-9a-f]{16}\]/g, "").replace(/::h[0-9a-f]{16}(?=$|\[)/, "");
  if (importedFrom !== "") {
    continue;
  }
  if (DIVERGING.some((pattern) => pattern.test(plain))) {
    module.removeFunction(name);
    module.addFunction(name, params, results, [], module.unreachable());
    trapping += 1;
  } else if (results === binaryen.i32 && SILENT.some((pattern) => pattern.test(plain))) {
    module.removeFunction(name);
    module.addFunction(name, params, results, [], module.i32.const(0));
    silent += 1;
  }
}
if (trapping === 0 || silent === 0) {
  throw new Error(`${from} names no function that begins a panic; were its names stripped?`);
}
const bytes = Buffer.from(module.emitBinary());
const places = clearLocations(bytes, dataSegments(bytes));
if (places === 0) {
  throw new Error(`${from} holds no place in a source; did their layout change?`);
}
writeFileSync(to, bytes);
console.log(`snip-panics: ${String(trapping)} functions trap, ${String(silent)} are silent, ${String(places)} places cleared`);

/**
 * The active segments of the data section.
 * @param {Buffer} wasm
 * @returns {{ address: number; at: number; length: number }[]}
 */
function dataSegments(wasm) {
  let at = 8;
  const number = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = wasm.readUInt8(at);
      at += 1;
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) {
        return value;
      }
    }
  };
  while (at < wasm.length) {
    const id = number();
    const end = number() + at;
    if (id === 11) {
      return Array.from({ length: number() }, () => {
        // Memory 0, at the address that follows as `i32.const`, then `end`.
        if (number() !== 0 || number() !== 0x41) {
          throw new Error("a data segment of an unknown kind");
        }
        const address = number();
        at += 1;
        const segment = { address, length: number(), at };
        at += segment.length;
        return segment;
      });
    }
    at = end;
  }
  return [];
}

/**
 * Clears every `core::panic::Location` (address and length of a path, line, column) and the paths; tells how many.
 * @param {Buffer} wasm
 * @param {{ address: number; at: number; length: number }[]} segments
 */
function clearLocations(wasm, segments) {
  /** @param {number} address @param {number} length */
  const view = (address, length) => {
    const holder = segments.find((segment) => address >= segment.address && address + length <= segment.address + segment.length);
    return holder && wasm.subarray(holder.at + address - holder.address, holder.at + address - holder.address + length);
  };
  const words = segments.flatMap(({ address, length }) => {
    const first = Math.ceil(address / 4) * 4;
    return Array.from({ length: Math.max(0, Math.floor((address + length - first) / 4)) }, (_, index) => first + 4 * index);
  });
  /** @type {Set<Buffer>} */
  const cleared = new Set();
  let count = 0;
  for (const word of words) {
    const location = view(word, 16);
    if (location === undefined) {
      continue;
    }
    const [address = 0, length = 0, line = 0, column = 0] = [0, 4, 8, 12].map((offset) => location.readUInt32LE(offset));
    const path = length > 3 && length < 256 && line > 0 && line < 1e5 && column > 0 && column < 1e3 ? view(address, length) : undefined;
    if (path !== undefined && /^[\w./-]+\.rs$/.test(path.toString("latin1"))) {
      location.fill(0);
      cleared.add(path);
      count += 1;
    }
  }
  for (const path of cleared) {
    path.fill(0);
  }
  return count;
}
