/**
 * `snip-panics.mjs IN.wasm OUT.wasm`: the functions that begin a panic trap at once.
 *
 * A panic of this module ends in a trap either way (panic = abort, no hook), and its message is shown to nobody.
 * With the functions empty, wasm-opt drops what prepares the messages: a seventh of the module.
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
let snipped = 0;
for (const reference of Array.from({ length: module.getNumFunctions() }, (_, index) => module.getFunctionByIndex(index))) {
  const { name, module: importedFrom, params, results } = binaryen.getFunctionInfo(reference);
  // Without the hashes that tell crates and instances apart.
  const plain = name.replace(/\[[0-9a-f]{16}\]/g, "").replace(/::h[0-9a-f]{16}$/, "");
  if (importedFrom === "" && DIVERGING.some((pattern) => pattern.test(plain))) {
    module.removeFunction(name);
    module.addFunction(name, params, results, [], module.unreachable());
    snipped += 1;
  }
}
if (snipped === 0) {
  throw new Error(`${from} names no function that begins a panic; were its names stripped?`);
}
writeFileSync(to, module.emitBinary());
console.log(`snip-panics: ${snipped.toString()} functions`);
