export { botanu, botanuErrorHandler, runOf, type BotanuMiddleware, type BotanuOptions } from "./middleware.ts";
