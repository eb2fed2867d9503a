/** The fields of an object that are there: over a link of plain objects, what is undefined would be refused as what it is not. */
export type Given<T> = { readonly [name in keyof T as undefined extends T[name] ? never : name]: T[name] } & {
  readonly [name in keyof T as undefined extends T[name] ? name : never]?: Exclude<T[name], undefined>;
};

export function given<T extends object>(fields: T): Given<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Given<T>;
}
