// A service as it stands in many clusters: CommonJS, Express, no line about tracing.
// The first intake of an order fails, as a warehouse that is briefly away would.

const express = require("express");

const app = express();
const refusedOnce = new Set();

app.use(express.json());

app.post("/intake/:order", (request, response) => {
  const { order } = request.params;
  if (!refusedOnce.has(order)) {
    refusedOnce.add(order);
    response.status(503).json({ error: "the warehouse does not answer" });
    return;
  }
  response.json({ order, reserved: true });
});

const server = app.listen(Number(process.env.PORT ?? 0), "127.0.0.1", (error) => {
  if (error) throw error;
  console.log(`listening ${server.address().port}`);
});
