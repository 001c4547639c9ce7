export { runReadme } from './testing/readme.js';
