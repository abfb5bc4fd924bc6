import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";
import { reportStyle } from "./build/report-style.ts";
import { singleFile } from "./build/single-file.ts";
import { workers } from "./build/workers.ts";

export default defineConfig({
  root: "portal",
  base: "./",
  plugins: [
    // Fragments are made of elements, not parsed from markup: the page needs no policy that lets markup in.
    svelte({ configFile: false, compilerOptions: { runes: true, fragments: "tree", modernAst: true } }),
    workers(),
    reportStyle(),
    singleFile(),
  ],
  build: {
    outDir: "../dist",
    emptyOutDir: true,
    target: "es2023",
    modulePreload: { polyfill: false },
    cssCodeSplit: false,
    assetsInlineLimit: Number.MAX_SAFE_INTEGER,
    // One file of most of a megabyte, on purpose.
    chunkSizeWarningLimit: 2000,
  },
});
