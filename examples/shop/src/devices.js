// Signed out from another device: this page learns of it at once, and asks the shop what to show.
const events = new EventSource("/devices/events");
events.addEventListener("ended", () => {
  events.close();
  location.reload();
});
