import { defineConfig } from "vite";
import { singleFile } from "./build/single-file.ts";

export default defineConfig({
  base: "./",
  plugins: [singleFile()],
  build: {
    target: "es2023",
    modulePreload: { polyfill: false },
    cssCodeSplit: false,
    assetsInlineLimit: Number.MAX_SAFE_INTEGER,
    // One file of about half a megabyte, on purpose.
    chunkSizeWarningLimit: 1000,
  },
});
