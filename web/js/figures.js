/* figures.js - amounts, days and tables as the pages for accounts show them. */
import { el } from './dom.js';
import { locale, number, t } from './text.js';

/** "12.345600", "USD" -> $12.3456 */
export function money(amount, currency) {
    const value = Number(amount);
    const digits = { minimumFractionDigits: 2, maximumFractionDigits: Math.abs(value) >= 1 ? 4 : 6 };
    try {
        return new Intl.NumberFormat(locale(), { style: 'currency', currency, ...digits }).format(value);
    } catch {
        return `${new Intl.NumberFormat(locale(), digits).format(value)} ${currency}`;
    }
}

/** 12345678 -> 12.3M */
export const short = (value) => new Intl.NumberFormat(locale(), { notation: 'compact', maximumFractionDigits: 1 }).format(value);

export const percent = (share) => new Intl.NumberFormat(locale(), { style: 'percent', maximumFractionDigits: 1 }).format(share);

/** "2026-11-01T09:30:00Z" -> in the zone of whoever looks; nothing where there is none. */
export function instant(text) {
    if (!text) return '–';
    return new Intl.DateTimeFormat(locale(), { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(text));
}

/** Likewise, without the hour. */
export function date(text) {
    if (!text) return '–';
    return el('span', { title: instant(text) }, new Intl.DateTimeFormat(locale(), { dateStyle: 'medium' }).format(new Date(text)));
}

/** "2026-11-01", a day of UTC -> Nov 1 */
export function dayName(text) {
    return new Intl.DateTimeFormat(locale(), { month: 'short', day: 'numeric', timeZone: 'UTC' }).format(new Date(`${text}T00:00:00Z`));
}

const DAY = 86400000;
export const isoDay = (time) => new Date(time).toISOString().slice(0, 10);

/** Days of UTC from `since` to before `until`, both as "2026-11-01". */
export function daysBetween(since, until) {
    const days = [];
    for (let time = Date.parse(since); time < Date.parse(until); time += DAY) days.push(isoDay(time));
    return days;
}

/** { since, until } of days: 'week', 'month30', 'month', 'last'. */
export function period(name, now = Date.now()) {
    const today = new Date(now);
    const first = (months) => isoDay(Date.UTC(today.getUTCFullYear(), today.getUTCMonth() + months, 1));
    const tomorrow = isoDay(now + DAY);
    if (name === 'month') return { since: first(0), until: tomorrow };
    if (name === 'last') return { since: first(-1), until: first(0) };
    return { since: isoDay(now - (name === 'week' ? 6 : 29) * DAY), until: tomorrow };
}

export const PERIODS = ['week', 'month30', 'month', 'last'];

/** columns: [{ title, value(row) -> text or element, number }] */
export function table(label, columns, rows, empty) {
    if (rows.length === 0) return el('p', { class: 'empty' }, empty || t('nothingYet'));
    const head = el('tr', {}, ...columns.map((column) => el('th', { scope: 'col', class: column.number ? 'number' : null }, column.title || el('span', { class: 'off-screen' }, t('actions')))));
    const body = rows.map((row) => el('tr', { class: row.more ? 'more' : null }, ...columns.map((column) => el('td', { class: column.number ? 'number' : column.className }, column.value(row)))));
    return el('div', { class: 'frame', role: 'region', tabindex: '0', 'aria-label': label }, el('table', {}, el('caption', { class: 'off-screen' }, label), el('thead', {}, head), el('tbody', {}, ...body)));
}

export const count = (value) => number(value || 0);

export function select(label, options, value, change) {
    const control = el('select', { 'aria-label': label }, ...options.map(([name, text]) => el('option', { value: name }, text)));
    control.value = value;
    control.addEventListener('change', () => change(control.value));
    return control;
}

export function tile(title, value, note) {
    return el('div', { class: 'tile' }, el('dt', {}, title), el('dd', {}, el('span', { class: 'tile-value' }, value), note ? el('span', { class: 'tile-note' }, note) : null));
}

export const tiles = (...children) => el('dl', { class: 'tiles' }, ...children.filter(Boolean));

export function heading(text, ...controls) {
    return el('div', { class: 'heading' }, text ? el('h2', {}, text) : null, el('span', { class: 'stretch' }), ...controls);
}

export const button = (text, onclick, className = '') => el('button', { type: 'button', class: `button ${className}`.trim(), onclick }, text);
