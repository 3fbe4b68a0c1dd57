#!/usr/bin/env node
// A person with a browser, for tests: opens a URL in Chromium and answers what
// comes: signs in where there is a password field, and allows what is asked.
//
// Usage: browser.mjs URL
//
// May be the program that the environment variable BROWSER names. One line is
// printed per page. CHROMIUM is the browser's path, /usr/bin/chromium without it.
import { chromium } from "playwright-core";

const ALLOW = /^(allow|approve|authorize|continue|yes)/i;
const PAGES = 8;

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});
try {
  const page = await browser.newPage();
  await page.goto(process.argv[2]);
  for (let pages = 0; pages < PAGES; pages += 1) {
    const { host, pathname } = new URL(page.url());
    console.error(`browser: ${host}${pathname.replace(/[\w-]{20,}/, "…")} ${await page.title()}`);
    const password = page.locator("input[type=password]");
    const allow = page.getByRole("button", { name: ALLOW });
    if (await password.count()) {
      await page.locator("input:not([type=hidden]):not([type=password])").first().fill("ada");
      await password.fill("secret");
      await Promise.all([page.waitForEvent("load"), page.locator("[type=submit]").first().click()]);
    } else if (await allow.count()) {
      await Promise.all([page.waitForEvent("load"), allow.first().click()]);
    } else {
      break;
    }
  }
} finally {
  await browser.close();
}
