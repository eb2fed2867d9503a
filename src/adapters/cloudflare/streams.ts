/** Bytes that go from one object to another piece by piece, as the runtime carries them. */

export function streamOf(pieces: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const iterator = pieces[Symbol.asyncIterator]();
  return new ReadableStream({
    type: 'bytes',
    async pull(controller) {
      const { done, value } = await iterator.next();
      // The runtime takes no empty piece.
      if (done === true) controller.close();
      else if (value.length > 0) controller.enqueue(new Uint8Array(value));
      else await this.pull?.(controller);
    },
    async cancel() {
      await iterator.return?.();
    },
  });
}

export async function* bytesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  let isRead = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        isRead = true;
        return;
      }
      yield value;
    }
  } finally {
    // Whoever stops early lets go of what makes the rest.
    if (!isRead) await reader.cancel().catch(() => undefined);
  }
}
