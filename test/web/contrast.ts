// Measures, inside a page, how well each visible text stands out from the ground behind it (the WCAG 2 formula).
import type { Page } from 'playwright-core';

/** What is used of the DOM: these tests are checked without the browser's types. */
interface PageElement {
  readonly className: string;
  readonly parentElement: PageElement | null;
  checkVisibility(options: { visibilityProperty: boolean }): boolean;
  closest(selector: string): unknown;
}

/** How many texts were measured, and which fall short of `least` to 1. */
export function poorContrast(page: Page, least: number): Promise<{ measured: number; poor: string[] }> {
  return page.locator('body').evaluate((body, least) => {
    const { defaultView: view } = body.ownerDocument;
    const canvas = new view.OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
    const pixel = (colour: string): number[] => {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
      return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const luminance = (rgba: number[]) => {
      const [r = 0, g = 0, b = 0] = rgba.map((value) => {
        const part = value / 255;
        return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = (element: PageElement | null): number[] => {
      for (let at = element; at; at = at.parentElement) {
        const rgba = pixel(view.getComputedStyle(at).backgroundColor);
        if (rgba[3] === 255) return rgba;
      }
      return [255, 255, 255, 255];
    };
    const poor: string[] = [];
    let measured = 0;
    const texts = body.ownerDocument.createTreeWalker(body, view.NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const element: PageElement = texts.currentNode.parentElement;
      const text: string = texts.currentNode.textContent.trim();
      if (text === '' || element.closest('.visually-hidden, .skip-link, noscript')) continue;
      if (!element.checkVisibility({ visibilityProperty: true })) continue;
      measured += 1;
      const ink = luminance(pixel(view.getComputedStyle(element).color));
      const paper = luminance(ground(element));
      const contrast = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
      if (contrast < least) poor.push(`${contrast.toFixed(2)} ${element.className}: ${text.slice(0, 40)}`);
    }
    return { measured, poor };
  }, least);
}
