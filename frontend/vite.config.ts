import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

const server = process.env.GLASSBENCH_URL ?? "http://127.0.0.1:8000";

export default defineConfig({
  plugins: [svelte()],
  base: "./", // the server writes its own path before the page's files
  build: {
    target: "es2023",
    // The content security policy allows no inline script or data: address.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: {
    proxy: {
      "/api": server,
      "/login": server,
      "/ws": { target: server, ws: true },
    },
  },
  // Svelte resolves to its server build unless the browser condition is named.
  resolve: process.env.VITEST ? { conditions: ["browser"] } : {},
  test: {
    environment: "jsdom",
    setupFiles: "tests/setup.ts",
    // A loaded machine must not turn a passing test red, so time is no criterion here.
    testTimeout: 60_000,
    pool: "threads",
    maxWorkers: 1,
    isolate: false,
    include: ["tests/**/*.test.ts"],
  },
});
