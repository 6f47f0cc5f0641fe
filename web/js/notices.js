/* notices.js - what is said aside: announcements for screen readers, and short messages with something to undo. */
import { byId, el, iconButton } from './dom.js';
import { t } from './text.js';

const SHOWN = 8000; // milliseconds

/** For screen readers alone; the region exists from the beginning, as they need it. */
export function announce(text) {
    const region = byId('announcements');
    region.textContent = '';
    setTimeout(() => (region.textContent = text), 50);
}

export function toast(text, { undo, alert } = {}) {
    const box = el('div', { class: 'toast', role: alert ? 'alert' : 'status' });
    const close = () => box.remove();
    byId('toasts').append(box);
    box.append(el('span', {}, text));
    if (undo) {
        const act = () => {
            close();
            undo();
        };
        box.append(el('button', { type: 'button', class: 'text-button', onclick: act }, t('undo')));
    }
    box.append(iconButton('close', t('close'), close));
    const timer = setTimeout(close, SHOWN);
    box.addEventListener('focusin', () => clearTimeout(timer)); // whoever is there needs time
    box.addEventListener('mouseenter', () => clearTimeout(timer));
}
