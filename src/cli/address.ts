/** The address of a broker, as it is typed. */
import { Usage } from './command.ts';

/** `127.0.0.1:4300` is meant as an address as well. @throws Usage */
export function readUrl(text: string, name: string): string {
  const full = /^[a-z]+:\/\//i.test(text) ? text : `http://${text}`;
  const url = URL.canParse(full) ? new URL(full) : undefined;
  if (url === undefined || !/^(https?|wss?):$/.test(url.protocol) || url.hostname === '')
    throw new Usage(`${name} is ${JSON.stringify(text)}; it takes an address such as http://127.0.0.1:4300.`);
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '')
    throw new Usage(`${name} has more than an address in it. Give the credential with WAYSIDE_TOKEN.`);
  return `${url.protocol}//${url.host}${url.pathname.replace(/\/+$/, '')}`;
}
