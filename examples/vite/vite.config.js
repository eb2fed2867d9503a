// The broker's worker is a file beside the module, found by its address: bundled ahead into one file, the module would lose it.
export default {
  optimizeDeps: { exclude: ['wayside'] },
  worker: { format: 'es' },
};
