/* text.js - the words of the page, in the language that was chosen or that the browser prefers. */
import { preference } from './preferences.js';
import { english } from './text_en.js';
import { chinese } from './text_zh.js';

const languages = { en: english, zh: chinese };

export function language() {
    const chosen = preference('language');
    if (languages[chosen]) return chosen;
    return (navigator.languages || [navigator.language]).some((name) => /^zh/i.test(name)) && /^zh/i.test(navigator.language) ? 'zh' : 'en';
}

export function t(name, values = {}) {
    const text = languages[language()][name] ?? english[name] ?? name;
    return text.replace(/\{(\w+)\}/g, (whole, key) => values[key] ?? '');
}

export const locale = () => (language() === 'zh' ? 'zh-CN' : 'en');

/** Words of a page of its own, which the others need not load. */
export function addTexts(en, zh) {
    Object.assign(english, en);
    Object.assign(chinese, zh);
}

/** The elements of the page itself: data-t is the text, data-t-X the attribute X. */
export function translatePage(root = document) {
    document.documentElement.lang = locale();
    for (const element of root.querySelectorAll('[data-t]')) element.textContent = t(element.dataset.t);
    for (const name of ['aria-label', 'placeholder', 'title']) {
        for (const element of root.querySelectorAll(`[data-t-${name}]`)) element.setAttribute(name, t(element.getAttribute(`data-t-${name}`)));
    }
}

export function number(value, digits = 0) {
    return new Intl.NumberFormat(locale(), { maximumFractionDigits: digits }).format(value);
}

export function seconds(milliseconds) {
    const value = milliseconds / 1000;
    if (value >= 60) return t('minutes', { minutes: Math.floor(value / 60), seconds: Math.round(value % 60) });
    return t('seconds', { seconds: number(value, value < 10 ? 1 : 0) });
}
