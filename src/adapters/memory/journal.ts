/** What an embedded broker tells: warnings and errors, on the console. What went well is nobody's news inside a program. */
import type { Journal } from '../../core/ports.ts';

export const warnings: Journal = {
  info: () => undefined,
  warn: (text) => console.warn(`wayside: ${text}`),
  error: (text) => console.error(`wayside: ${text}`),
};
