"""GET /account: the page that opens when a user follows an emailed link.

The token of the link is in the fragment of the URL, which browsers do not send. So a request for
the page cannot use up the link. The page works at any path prefix, because its URLs are relative.
"""

from typing import Final

from flask import Blueprint, Response

from adapters.api.pages.html import page_view
from adapters.web.security_headers import NO_STORE

URL: Final = "/account"

_BODY: Final = """<noscript><p>This page needs JavaScript.</p></noscript>
<style>
form { display: grid; gap: .5rem; max-width: 24rem; margin-top: 1rem }
label { font-weight: 600 }
input, button { font: inherit; color: inherit; padding: .5rem .75rem; border-radius: .25rem }
input[type=email], input[type=password], input[type=text] { background: transparent }
input { border: 1px solid var(--dim) }
.choice { font-weight: normal }
button { border: 0; margin-top: .5rem; background: var(--way); color: var(--paper) }
button { cursor: pointer }
button:disabled { opacity: .6 }
:focus-visible { outline: .2rem solid var(--way); outline-offset: .1rem }
#errors { margin-top: 1rem; padding-left: .8rem; border-left: .2rem solid #d1242f }
[hidden] { display: none }
</style>
<main>
<p id="intro"></p>
<form id="set" method="post" hidden>
<label for="password">New password</label>
<input id="password" type="password" autocomplete="new-password" required
 aria-describedby="errors" spellcheck="false" autocapitalize="none">
<label class="choice"><input id="show" type="checkbox"> Show the password</label>
<button>Set password</button>
</form>
<form id="confirm" method="post" hidden>
<button>Confirm email address</button>
</form>
<form id="recover" method="post" hidden>
<label for="email">Email address</label>
<input id="email" type="email" autocomplete="email" required aria-describedby="errors"
 spellcheck="false" autocapitalize="none">
<button>Email me a link</button>
</form>
<div id="errors" role="alert" hidden></div>
<p id="result" role="status"></p>
<p id="again" hidden><a href="account">Request a new link</a></p>
</main>
"""

_SCRIPT: Final = r"""
"use strict";
const $ = (id) => document.getElementById(id);
const link = new URLSearchParams(location.hash.slice(1));
const token = link.get("token");
const purpose = link.get("for");

// One entry for each purpose of a link. Without a link, the page asks for an address.
const pages = {
  signup: ["set", "Complete your sign-up", "Choose a password for your new account."],
  invitation: ["set", "Accept your invitation", "Choose a password for your account."],
  recovery: ["set", "Set a new password", "Choose a new password for your account."],
  email: ["confirm", "Confirm your email address",
    "Confirm that you want to use this email address for your account."],
};
const withoutLink = ["recover", "Recover your account",
  "Enter your email address. We will send you a link to set a new password."];
const [formId, title, intro] = !token ? withoutLink
  : Object.hasOwn(pages, purpose) ? pages[purpose] : pages.recovery;
const results = {
  set: "Your password is set. You can now log in with it.",
  confirm: "Your email address is confirmed.",
  recover: "If there is an account with this address, we have sent an email with a link to it. "
    + "Please check your inbox.",
};

const form = $(formId);
document.title = title;
document.querySelector("h1").textContent = title;
$("intro").textContent = intro;
form.hidden = false;

const field = form.querySelector("input");
if (field) field.focus();

const showErrors = (texts) => {
  $("errors").replaceChildren(...texts.map((text) => {
    const paragraph = document.createElement("p");
    paragraph.textContent = text.charAt(0).toUpperCase() + text.slice(1);
    return paragraph;
  }));
  $("errors").hidden = texts.length === 0;
  if (!field) return;
  if (texts.length) field.setAttribute("aria-invalid", "true");
  else field.removeAttribute("aria-invalid");
};

const send = async (type, attributes) => {
  let response;
  try {
    response = await fetch(`api/v1/${type}`, {
      method: "POST",
      headers: { "Content-Type": "application/vnd.api+json", Accept: "application/vnd.api+json" },
      body: JSON.stringify({ data: { type, attributes } }),
      credentials: "omit",
      redirect: "error",
    });
  } catch {
    return [{ detail: "The service could not be reached. Check your connection and try again." }];
  }
  if (response.ok) return [];
  try {
    const { errors } = await response.json();
    if (errors.length) return errors;
  } catch {
    // not a document of this service, for example the error page of a proxy
  }
  return [{ detail: `The service responded with status ${response.status}. Try again later.` }];
};

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  if (button.disabled) return;
  button.disabled = true;
  showErrors([]);
  const errors = formId === "recover" ? await send("recoveries", { email: $("email").value })
    : await send("confirmations",
      formId === "set" ? { token, password: $("password").value } : { token });
  button.disabled = false;
  if (errors.length) {
    showErrors(errors.map((error) => error.detail));
    $("again").hidden = formId !== "set" || !errors.some(({ code }) => code === "link_invalid");
    if (field) field.focus();
    return;
  }
  form.hidden = true;
  $("intro").textContent = "";
  $("again").hidden = true;
  $("result").textContent = results[formId];
  if (token) history.replaceState(null, "", location.pathname);
});

$("show").addEventListener("change", () => {
  $("password").type = $("show").checked ? "text" : "password";
});

// Another link in the same tab only changes the fragment.
addEventListener("hashchange", () => location.reload());
"""


def account_page() -> Blueprint:
    """Returns the blueprint of the page."""
    blueprint = Blueprint("account", __name__)
    respond = page_view("Your account", _BODY, script=_SCRIPT)

    @blueprint.get(URL)
    def show_account() -> Response:
        response = respond()
        response.headers.update(NO_STORE)
        return response

    return blueprint
