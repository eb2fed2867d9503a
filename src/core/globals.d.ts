/**
 * The only two globals beside the language itself that the core may use; every runtime has them.
 * Whoever wants another one wants a port (ports.ts) instead.
 */
declare var TextEncoder: {
  new (): {
    encode(text?: string): Uint8Array<ArrayBuffer>;
    encodeInto(text: string, target: Uint8Array): { read: number; written: number };
  };
};

declare var TextDecoder: {
  new (
    label?: string,
    options?: { fatal?: boolean; ignoreBOM?: boolean },
  ): {
    decode(bytes?: ArrayBuffer | ArrayBufferView, options?: { stream?: boolean }): string;
  };
};
