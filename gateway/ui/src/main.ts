// Entry: styles, icons, then the app. The theme was set before by public/theme.js.
// The icons are part of the document and not a file of their own: a page that lost its box can still draw new ones.

import { mount } from 'svelte';
import App from './App.svelte';
import icons from './lib/icons.svg?raw';
import './styles/app.css';

const target = document.getElementById('app');
if (!target) throw new Error('index.html has no element #app');
const sprite = document.importNode(new DOMParser().parseFromString(icons, 'image/svg+xml').documentElement, true);
sprite.classList.add('sr-only');
sprite.setAttribute('aria-hidden', 'true');
document.body.prepend(sprite);

mount(App, { target });
