import { defineConfig } from "vite";

// The program of report files: one script and one style sheet, which the server puts into the file.
export default defineConfig({
  publicDir: false,
  build: {
    target: "es2023",
    outDir: "dist/report",
    cssCodeSplit: false,
    modulePreload: false,
    rolldownOptions: {
      input: "src/report/main.ts",
      output: {
        format: "iife",
        entryFileNames: "report.js",
        assetFileNames: "report[extname]",
      },
    },
  },
});
