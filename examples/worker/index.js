// A broker at Cloudflare: the Worker answers the API, the Durable Object keeps everything.
export { default, WaysideObject } from 'wayside/cloudflare';
