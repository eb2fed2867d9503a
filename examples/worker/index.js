// A broker at Cloudflare: the Worker answers the API; one object has the catalog, and one each partition.
export { default, WaysideCatalog, WaysidePartition } from 'wayside/cloudflare';
