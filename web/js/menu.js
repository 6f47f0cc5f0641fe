/* menu.js - a menu below its button: arrow keys move, Escape closes, and focus comes back. */
import { el, icon } from './dom.js';

let open = null;

export function closeMenu() {
    open?.();
}

/** items: [{ icon, label, act, danger }] */
export function openMenu(button, items) {
    closeMenu();
    const close = (focus) => {
        open = null;
        menu.remove();
        button.setAttribute('aria-expanded', 'false');
        document.removeEventListener('pointerdown', outside, true);
        if (focus) button.focus();
    };
    const outside = (event) => {
        if (!menu.contains(event.target)) close(false);
    };
    const entries = items.map((item) =>
        el('button', { type: 'button', role: 'menuitem', tabindex: '-1', class: item.danger ? 'danger' : null, onclick: () => (close(true), item.act()) }, icon(item.icon), el('span', {}, item.label)),
    );
    const menu = el('div', { class: 'menu', role: 'menu', 'aria-label': button.getAttribute('aria-label') }, ...entries);
    menu.addEventListener('keydown', (event) => {
        const at = entries.indexOf(document.activeElement);
        const moves = { ArrowDown: at + 1, ArrowUp: at - 1 + entries.length, Home: 0, End: entries.length - 1 };
        if (event.key in moves) entries[moves[event.key] % entries.length].focus();
        else if (event.key === 'Escape' || event.key === 'Tab') close(true);
        else return;
        event.preventDefault();
        event.stopPropagation();
    });
    document.body.append(menu);
    const box = button.getBoundingClientRect();
    const left = Math.min(box.left, window.innerWidth - menu.offsetWidth - 8);
    const below = box.bottom + 4 + menu.offsetHeight < window.innerHeight;
    menu.style.left = `${Math.max(8, left)}px`;
    menu.style.top = `${below ? box.bottom + 4 : box.top - menu.offsetHeight - 4}px`;
    button.setAttribute('aria-expanded', 'true');
    document.addEventListener('pointerdown', outside, true);
    open = () => close(false);
    entries[0].focus();
}
