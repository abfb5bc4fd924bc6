import { defineConfig } from "eslint/config";
import tseslint from "typescript-eslint";

export default defineConfig(
  { ignores: ["dist", "node_modules", "verifier/dist", "verifier/src/pkg", "verifier/src/training-pkg", "verifier/src/generated"] },
  {
    files: ["portal/src/**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { project: "./portal/tsconfig.json", tsconfigRootDir: import.meta.dirname } },
  },
  {
    files: ["verifier/src/**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: {
      parserOptions: { project: "./verifier/tsconfig.json", tsconfigRootDir: import.meta.dirname },
    },
  },
  {
    files: ["bench/**/*.mjs", "build/**/*.ts", "build/**/*.mjs", "test/**/*.mjs", "verifier/build.mjs", "vite.config.ts", "eslint.config.js"],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    rules: {
      // The test runner awaits its tests itself.
      "@typescript-eslint/no-floating-promises": [
        "error",
        { allowForKnownSafeCalls: [{ from: "package", package: "node:test", name: ["test", "describe"] }] },
      ],
    },
    languageOptions: { parserOptions: { project: "./tsconfig.node.json", tsconfigRootDir: import.meta.dirname } },
  },
);
