import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

export default defineConfig({
  // Relative addresses: the page works under any path its server mounts it at.
  base: "./",
  plugins: [
    svelte({
      compilerOptions: {
        // The default hashes the file's path, which would differ between clones.
        cssHash: ({ hash, css, name }) => `s-${hash(name + css)}`,
      },
    }),
  ],
  build: {
    outDir: "../src/raffinate/runtime/static",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    license: { fileName: "licenses.md" },
    rolldownOptions: {
      output: {
        // Fixed names: the built files are committed, and a rebuild is compared byte for byte.
        entryFileNames: "assets/page.js",
        chunkFileNames: "assets/[name].js",
        assetFileNames: "assets/page[extname]",
      },
    },
  },
  server: { proxy: { "/ws": { target: "ws://127.0.0.1:8000", ws: true } } },
});
