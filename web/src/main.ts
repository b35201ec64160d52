import { mount } from "svelte";
import "uplot/dist/uPlot.min.css";
import "./app.css";
import App from "./App.svelte";
import { PlantLink } from "./lib/link.svelte";

const scheme = location.protocol === "https:" ? "wss" : "ws";
const target = document.getElementById("page");
if (target) mount(App, { target, props: { link: new PlantLink(`${scheme}://${location.host}/ws`) } });
