// A second service without a line about tracing, this one an ES module that calls a neighbour over fetch.

import express from "express";

const app = express();

app.use(express.json());

app.get("/template/:name", (request, response) => {
  response.json({ name: request.params.name, text: "Your order is on its way." });
});

app.post("/notify/:order", async (request, response) => {
  const template = await fetch(`http://127.0.0.1:${server.address().port}/template/shipped`);
  const { text } = await template.json();
  response.json({ order: request.params.order, sent: text });
});

const server = app.listen(Number(process.env.PORT ?? 0), "127.0.0.1", (error) => {
  if (error) throw error;
  console.log(`listening ${server.address().port}`);
});
