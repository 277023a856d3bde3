use super::*;
use crate::config::scratch::Scratch;
use std::os::unix::fs::symlink;
use std::time::Duration;

fn watch(scratch: &Scratch, dirs: &[&str]) -> Watcher {
    Watcher::new(dirs.iter().map(|dir| scratch.path(dir)).collect()).unwrap()
}

/// Collects changes until a path is among them.
async fn expect(watcher: &mut Watcher, path: PathBuf) {
    let search = async { while !watcher.next().await.unwrap().paths.contains(&path) {} };
    let found = tokio::time::timeout(Duration::from_secs(5), search).await;
    assert!(found.is_ok(), "no event for {}", path.display());
}

async fn quiet(watcher: &mut Watcher) {
    let next = tokio::time::timeout(Duration::from_millis(50), watcher.next()).await;
    assert!(next.is_err(), "{next:?}");
}

#[tokio::test]
async fn writes_renames_and_removals() {
    let scratch = Scratch::new("watch");
    scratch.put("d/a.yaml", "1");
    let mut w = watch(&scratch, &["d"]);
    scratch.put("d/b.yaml", "1");
    expect(&mut w, scratch.path("d/b.yaml")).await;
    scratch.put("d/note.txt", "1");
    scratch.put("d/.x.yaml", "1");
    quiet(&mut w).await;
    std::fs::rename(scratch.path("d/.x.yaml"), scratch.path("d/a.yaml")).unwrap();
    expect(&mut w, scratch.path("d/a.yaml")).await;
    std::fs::remove_file(scratch.path("d/a.yaml")).unwrap();
    expect(&mut w, scratch.path("d/a.yaml")).await;
    std::fs::hard_link(scratch.path("d/note.txt"), scratch.path("d/hard.yaml")).unwrap();
    expect(&mut w, scratch.path("d/hard.yaml")).await;
    quiet(&mut w).await;
}

#[tokio::test]
async fn a_file_is_reported_when_it_is_closed() {
    use std::io::Write as _;
    let scratch = Scratch::new("close");
    std::fs::create_dir(scratch.path("d")).unwrap();
    let mut w = watch(&scratch, &["d"]);
    let mut file = std::fs::File::create(scratch.path("d/a.yaml")).unwrap();
    file.write_all(b"half").unwrap();
    quiet(&mut w).await;
    drop(file);
    expect(&mut w, scratch.path("d/a.yaml")).await;
}

#[tokio::test]
async fn directories_may_come_later_go_and_be_replaced() {
    let scratch = Scratch::new("later");
    let mut w = watch(&scratch, &["a/b/d"]);
    let dir = scratch.path("a/b/d");
    std::fs::create_dir_all(&dir).unwrap();
    expect(&mut w, dir.clone()).await;
    scratch.put("a/b/d/x.yaml", "");
    expect(&mut w, dir.join("x.yaml")).await;
    std::fs::rename(scratch.path("a"), scratch.path("old")).unwrap();
    expect(&mut w, dir.clone()).await;
    std::fs::rename(scratch.path("old"), scratch.path("a")).unwrap();
    expect(&mut w, dir.clone()).await;
    std::fs::remove_dir_all(&dir).unwrap();
    expect(&mut w, dir.clone()).await;
    std::fs::create_dir(&dir).unwrap();
    expect(&mut w, dir.clone()).await;
    scratch.put("a/b/d/y.yaml", "");
    expect(&mut w, dir.join("y.yaml")).await;
}

#[tokio::test]
async fn links_that_are_turned_around_are_noticed() {
    let scratch = Scratch::new("links");
    scratch.put("one/x.yaml", "1");
    scratch.put("two/x.yaml", "2");
    symlink("one", scratch.path("current")).unwrap();
    std::fs::create_dir(scratch.path("d")).unwrap();
    let mut w = watch(&scratch, &["d"]);
    let link = scratch.path("d/x.yaml");
    symlink(scratch.path("current/x.yaml"), &link).unwrap();
    expect(&mut w, link.clone()).await;
    symlink("two", scratch.path("next")).unwrap();
    std::fs::rename(scratch.path("next"), scratch.path("current")).unwrap();
    expect(&mut w, link.clone()).await;
    // What it leads to now is edited in place.
    scratch.put("two/x.yaml", "3");
    expect(&mut w, link).await;
}

#[tokio::test]
async fn a_directory_may_be_a_link() {
    let scratch = Scratch::new("dirlink");
    scratch.put("one/x.yaml", "1");
    scratch.put("two/x.yaml", "2");
    symlink("one", scratch.path("d")).unwrap();
    let mut w = watch(&scratch, &["d"]);
    scratch.put("one/y.yaml", "1");
    expect(&mut w, scratch.path("d/y.yaml")).await;
    symlink("two", scratch.path("next")).unwrap();
    std::fs::rename(scratch.path("next"), scratch.path("d")).unwrap();
    expect(&mut w, scratch.path("d")).await;
    scratch.put("two/y.yaml", "1");
    expect(&mut w, scratch.path("d/y.yaml")).await;
}

#[tokio::test]
async fn many_changes_come_together() {
    let scratch = Scratch::new("many");
    std::fs::create_dir(scratch.path("d")).unwrap();
    let mut w = watch(&scratch, &["d"]);
    for number in 0..50 {
        scratch.put(&format!("d/{number}.yaml"), "");
    }
    assert_eq!(w.next().await.unwrap().paths.len(), 50);
}
