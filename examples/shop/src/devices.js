// Reloads the page as soon as another device has signed this one out.
const events = new EventSource("/devices/events");
events.addEventListener("ended", () => {
  events.close();
  location.reload();
});
