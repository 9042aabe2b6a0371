import "../styles/base.css"; // first: it says in which order the layers are
import { mount } from "svelte";
import App from "./App.svelte";
import "../styles/frame.css";
import "../styles/form.css";
import "../styles/pages.css";
import "../styles/markdown.css";
import "../styles/segmented.css";
import "../styles/people.css";
import "../styles/sharing.css";
import "../styles/comments.css";
import "../styles/narrow.css";
import { applyTheme } from "../base/theme";

applyTheme();
const target = document.getElementById("app");
if (target) mount(App, { target });
